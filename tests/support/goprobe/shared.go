//go:build probeshared

package main

// #include <stdlib.h>
import "C"

// Probe runs one command and returns what it prints; the caller frees the string.
//
//export Probe
func Probe(command *C.char) *C.char {
	text, _ := run(C.GoString(command))
	return C.CString(text)
}
