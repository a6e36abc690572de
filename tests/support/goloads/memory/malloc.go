//go:build cgo

package main

// #include <stdlib.h>
// #include <string.h>
// static void *taken[65536];
// static void take(long bytes) {
//   int count = 0;
//   for (long done = 0; done < bytes && count < 65536; done += 1 << 17) {
//     taken[count] = malloc(1 << 17);
//     memset(taken[count++], 1, 1 << 17);
//   }
// }
import "C"

// takeMalloc takes memory that Go knows nothing of, and keeps it.
func takeMalloc(bytes int) { C.take(C.long(bytes)) }
