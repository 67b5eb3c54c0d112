C     Copyright 1987 Institute of Tides
C     All rights reserved.
C
C     SOLVES THE TIDE EQUATION
      PROGRAM TIDE
      END
