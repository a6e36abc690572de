//go:build !limit

package main

func limit(request [][]byte) []string { return []string{"dies this Go reads no cgroup"} }
