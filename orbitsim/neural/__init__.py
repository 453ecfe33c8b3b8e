"""Everything that needs torch: models in parts, profiling, activation codecs. The simulator never imports it."""
