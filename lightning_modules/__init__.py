"""Methods: each turns an appearance and a structure into an image, behind one contract (`translator.py`)."""
