"""From a corpus and a profile to a trained checkpoint in a run folder."""
