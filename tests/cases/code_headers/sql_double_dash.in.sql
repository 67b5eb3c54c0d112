-- Copyright (c) 2008, Lagoon AB
-- All rights reserved.

-- Fish by pond.
SELECT pond, count(*) FROM fish GROUP BY pond;
