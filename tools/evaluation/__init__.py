"""Rate, distortion and speed of codecs over a folder of media: what runs, what is measured, and the table."""
