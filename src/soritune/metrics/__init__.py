"""Pure functions from references and predictions to numbers: counts that add, rates from counts, and
intervals."""
