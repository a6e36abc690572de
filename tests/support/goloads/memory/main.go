// Memory does a fixed amount of allocation in one of several patterns, and prints as one line of JSON what it cost: the load of
// scripts/bench/advice.
//
//	memory PATTERN LIMIT_MIB LIVE_PERCENT WORK_MIB SPIN [FILE]
//
// LIVE_PERCENT of what the limit leaves beside the pattern's own memory outside Go stays alive. SPIN is work beside the allocation, in steps
// of about a nanosecond for each 256 KiB. FILE is what the pattern "mmap" maps.
//
// With ASK=1 it prints "started", waits for a line, and prints "loaded" when half of the work is done; then it goes on at its ease, until it
// is killed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const mib = 1 << 20

type node struct {
	next *node
	rest [7]uint64
}

// A worker does one operation, which allocates about so many bytes; what is alive is its own.
type worker interface {
	operate(r *rand.Rand) (bytes int)
}

var (
	last [64]byte  // what was made last, so that nothing is optimized away
	sums [8]uint64 // the same of the spinning
	held *os.File  // the file in tmpfs
)

func list(nodes int) (first *node) {
	for range nodes {
		first = &node{next: first}
	}
	return
}

// small: nodes of 64 bytes in short lists; one list in eight takes the place of a living one.
type small struct{ lists []*node }

func newSmall(live int) *small {
	s := &small{lists: make([]*node, live/(64*16)+1)}
	for i := range s.lists {
		s.lists[i] = list(16)
	}
	return s
}

func (s *small) operate(r *rand.Rand) int {
	for i := range 256 {
		if l := list(16); i%8 == 0 {
			s.lists[r.Intn(len(s.lists))] = l
		}
	}
	return 256 * 16 * 64
}

// blocks: pieces without pointers, each page written to as a buffer that is read into; one in four takes the place of a living one.
type blocks struct {
	ring [][]byte
	size func(r *rand.Rand) int
}

func touch(bytes int) []byte {
	piece := make([]byte, bytes)
	for i := 0; i < bytes; i += 4096 {
		piece[i] = 1
	}
	return piece
}

func newBlocks(live int, size func(r *rand.Rand) int, r *rand.Rand) *blocks {
	b := &blocks{size: size}
	for total := 0; total < live; {
		piece := touch(min(size(r), max(live-total, 4096)))
		total += len(piece)
		b.ring = append(b.ring, piece)
	}
	return b
}

func (b *blocks) operate(r *rand.Rand) int {
	total := 0
	for k := 0; total < 256<<10; k++ {
		piece := touch(b.size(r))
		total += len(piece)
		if k%4 == 0 && len(b.ring) > 0 {
			i := r.Intn(len(b.ring))
			if old := len(b.ring[i]); old >= len(piece)/2 && old <= len(piece)*2 {
				b.ring[i] = piece
			}
		}
		last[0] = piece[0]
	}
	return total
}

// burst: small, and now and then a tenth of the limit is held for a while.
type burst struct {
	small
	extra, count int
	held         []*node
}

func (b *burst) operate(r *rand.Rand) int {
	b.count++
	total := b.small.operate(r)
	switch b.count % 64 {
	case 32:
		for bytes := 0; bytes < b.extra; bytes += 64 * 64 {
			b.held = append(b.held, list(64))
		}
		total += b.extra
	case 48:
		b.held = nil
	}
	return total
}

// maps: a map grows to the size that is alive, is dropped, and grows again.
type maps struct {
	entries map[uint64]*node
	most    int
}

func (m *maps) operate(r *rand.Rand) int {
	for range 1024 {
		if len(m.entries) >= m.most {
			m.entries = map[uint64]*node{}
		}
		m.entries[r.Uint64()] = &node{}
	}
	for range 128 {
		list(16)
	}
	return 1024*84 + 128*16*64
}

// stacks: small, and waves of goroutines with stacks of 64 to 256 KiB.
type stacks struct {
	small
	count, wave int
}

//go:noinline
func deep(level int) int {
	var frame [500]byte
	frame[level%500] = byte(level)
	if level == 0 {
		return int(frame[0])
	}
	return deep(level-1) + int(frame[level%500])
}

func (s *stacks) operate(r *rand.Rand) int {
	total := s.small.operate(r)
	if s.count++; s.count%16 != 0 {
		return total
	}
	var ended, grown sync.WaitGroup
	grown.Add(s.wave)
	for i := range s.wave {
		ended.Add(1)
		go func() {
			defer ended.Done()
			deep(100 + i%4*100)
			grown.Done()
			grown.Wait()
		}()
	}
	ended.Wait()
	return total
}

func newWorker(pattern string, live, limit, workers int, r *rand.Rand) worker {
	switch pattern {
	case "small", "mmap", "tmpfs", "cgo":
		return newSmall(live)
	case "block":
		return newBlocks(live, func(*rand.Rand) int { return 32 << 10 }, r)
	case "large":
		most := limit / 64
		return newBlocks(live, func(r *rand.Rand) int { return most/2 + r.Intn(most)/2 }, r)
	case "burst":
		return &burst{small: *newSmall(live), extra: limit / 10 / workers}
	case "maps":
		return &maps{entries: map[uint64]*node{}, most: max(1, live/90)}
	case "stacks":
		return &stacks{small: *newSmall(live), wave: limit / 8 / (160 << 10) / workers}
	}
	panic("no pattern " + pattern)
}

// What is outside Go: at half of the work (tmpfs, cgo), or read at random in between (mmap).
func takeTmpfs(bytes int) {
	file, err := os.CreateTemp("/dev/shm", "cgtune-test-")
	check(err)
	check(os.Remove(file.Name()))
	held = file
	block := make([]byte, 64<<10)
	for range bytes / len(block) {
		_, err := file.Write(block)
		check(err)
	}
}

func mapFile(path string, bytes int) []byte {
	file, err := os.Open(path)
	check(err)
	mapped, err := syscall.Mmap(int(file.Fd()), 0, bytes, syscall.PROT_READ, syscall.MAP_SHARED)
	check(err)
	return mapped
}

func readPages(mapped []byte, r *rand.Rand) {
	for range 64 {
		last[1] += mapped[r.Intn(len(mapped)/4096)*4096]
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func main() {
	number := func(i int) int {
		value, err := strconv.Atoi(os.Args[i])
		check(err)
		return value
	}
	pattern, limit, percent, work, spin := os.Args[1], number(2)*mib, number(3), int64(number(4))*mib, number(5)
	ask, lines := os.Getenv("ASK") != "", bufio.NewReader(os.Stdin)
	if ask {
		fmt.Println("started")
		lines.ReadString('\n')
	}
	workers, outside := 2, 0
	if pattern == "block" {
		workers = 4
	}
	atHalf, between := func() {}, func(*rand.Rand) {}
	switch pattern {
	case "tmpfs":
		outside = limit / 4
		atHalf = func() { takeTmpfs(outside) }
	case "cgo":
		outside = limit / 4
		atHalf = func() { takeMalloc(outside) }
	case "mmap":
		outside = limit / 4
		mapped := mapFile(os.Args[6], outside)
		between = func(r *rand.Rand) { readPages(mapped, r) }
	}
	all := make([]worker, workers)
	for i := range all {
		all[i] = newWorker(pattern, (limit-outside)/100*percent/workers, limit, workers, rand.New(rand.NewSource(int64(i))))
	}
	took := make([][]float64, workers)
	var ended, half sync.WaitGroup
	half.Add(workers)
	cycles, cpu, begin := collections(), cpuSeconds(), time.Now()
	for i := range all {
		ended.Add(1)
		go func() {
			defer ended.Done()
			r := rand.New(rand.NewSource(int64(100 + i)))
			isHalf := false
			for done := int64(0); done < work/int64(workers) || ask; {
				started := time.Now()
				done += int64(all[i].operate(r))
				between(r)
				x := uint64(1)
				for range spin {
					x = x*6364136223846793005 + 1442695040888963407
				}
				sums[i] = x
				took[i] = append(took[i], float64(time.Since(started))/1e6)
				if !isHalf && done >= work/int64(workers)/2 {
					isHalf = true
					half.Done()
					if i == 0 {
						atHalf()
					}
				}
				if ask && isHalf {
					time.Sleep(200 * time.Millisecond)
					took[i] = nil
				}
			}
		}()
	}
	if ask {
		half.Wait()
		time.Sleep(time.Second)
		fmt.Println("loaded")
	}
	ended.Wait()
	cpu, wall := cpuSeconds()-cpu, time.Since(begin).Seconds()
	cycles = collections() - cycles
	runtime.KeepAlive(all)
	sorted := slices.Concat(took...)
	slices.Sort(sorted)
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"cpu": cpu, "wall": wall, "gc": cycles, "p50": sorted[len(sorted)/2],
		"p99": sorted[len(sorted)*99/100], "max": sorted[len(sorted)-1]}))
}
