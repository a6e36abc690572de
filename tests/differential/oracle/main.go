// The oracle: answers, with the parsers of the Go runtime it was built with, what that runtime would conclude from given texts.
// It is built over hooks.go.txt; see oracle.py. Requests and answers are lists of byte strings, each list and each string led by its
// length as a little-endian 32-bit number.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
)

func readNumber(r io.Reader) (uint32, error) {
	var raw [4]byte
	_, err := io.ReadFull(r, raw[:])
	return binary.LittleEndian.Uint32(raw[:]), err
}

func readList(r io.Reader) ([][]byte, error) {
	count, err := readNumber(r)
	if err != nil {
		return nil, err
	}
	list := make([][]byte, count)
	for i := range list {
		size, err := readNumber(r)
		if err != nil {
			return nil, err
		}
		list[i] = make([]byte, size)
		if _, err := io.ReadFull(r, list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func writeList(w io.Writer, list []string) {
	binary.Write(w, binary.LittleEndian, uint32(len(list)))
	for _, item := range list {
		binary.Write(w, binary.LittleEndian, uint32(len(item)))
		io.WriteString(w, item)
	}
}

// answer runs one of the runtime's functions; where that would have ended the process, it gives "dies" and the words.
func answer(ask func() string) (said string) {
	defer func() {
		if death := recover(); death != nil {
			said = fmt.Sprint("dies ", death)
		}
	}()
	return ask()
}

func main() {
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)
	for {
		request, err := readList(in)
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(err)
		}
		var said []string
		switch string(request[0]) {
		case "limit":
			said = limit(request[1:])
		case "environment":
			said = environment(request[1:])
		}
		writeList(out, said)
		out.Flush()
	}
}

// environment takes the build's GODEBUG string and then the entries of the environment.
func environment(request [][]byte) []string {
	entries := make([]string, 0, len(request))
	for _, entry := range request[1:] {
		entries = append(entries, string(entry))
	}
	runtime.OracleSetEnvironment(string(request[0]), entries)
	defer runtime.OracleRestoreEnvironment()
	return []string{
		answer(runtime.OracleGODEBUG),
		answer(func() string { return strconv.Itoa(int(runtime.OracleGOMAXPROCS())) }),
		answer(func() string { return strconv.FormatInt(runtime.OracleGOMEMLIMIT(), 10) }),
		answer(func() string { return strconv.Itoa(int(runtime.OracleGOGC())) }),
	}
}
