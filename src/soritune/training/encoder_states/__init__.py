"""States of an encoder that is not trained, computed once and kept on disk."""
