// Minimal uses as little of the runtime as a program can: what the linker leaves out, it leaves out here.
package main

import "syscall"

func main() {
	println("ready")
	syscall.Read(0, make([]byte, 1))
}
