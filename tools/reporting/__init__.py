"""The page of `triptych report`: means, Bjontegaard deltas, charts, samples and their assembly."""
