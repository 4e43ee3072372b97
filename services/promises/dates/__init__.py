"""Every promise made, in the words said, and the one verdict on each."""
