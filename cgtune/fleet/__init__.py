"""Every Go service of a cluster, from the history that a Prometheus, Thanos, Mimir or VictoriaMetrics holds, in few grouped queries."""
