//go:build probecgo

package main

// #include <stdlib.h>
// static int answer(void) { return abs(-42); }
import "C"

func init() {
	newer["cgo"] = func() { println(int(C.answer())) }
}
