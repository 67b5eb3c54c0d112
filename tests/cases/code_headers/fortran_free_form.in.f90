! Copyright (C) 1998 Vera Grund
! This program is distributed in the hope that it will be useful.

! Waves of the third kind.
program waves
end program
