"""From predictions to numbers with intervals, and from numbers to something to look at."""
