"""Who runs chunks: processes of this machine, Dask on a cluster, or array jobs of a batch system."""
