//go:build !cgo

package main

func takeMalloc(int) { panic("built without cgo") }
