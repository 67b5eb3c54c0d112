# Walks the coast once and notes every lighthouse.
# Needs the chart of the year before.

import chart
