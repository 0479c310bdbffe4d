"""Ad breaks of what is served: the state of live windows, over all workers and edges."""
