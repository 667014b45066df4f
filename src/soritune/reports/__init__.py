"""From predictions to numbers with intervals, and from numbers to tables, figures and pages."""
