"""What codecs cost: accuracy with paired intervals, error of the features, real bytes at every cut, and seconds."""
