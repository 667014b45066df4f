"""From audio to words: recognisers of other libraries, and what is done with their text."""
