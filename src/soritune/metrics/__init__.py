"""Pure functions from references and predictions to numbers: counts that add up, rates of counts, intervals."""
