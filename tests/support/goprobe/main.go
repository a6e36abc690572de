// Goprobe is the program that the tests hold cgtune against: it prints, as one line of JSON, what the Go runtime says of itself.
//
// Each argument, and then each line of standard input, is a command:
//
//	report            print the values
//	gomaxprocs N      call runtime.GOMAXPROCS(N)
//	default           call runtime.SetDefaultGOMAXPROCS (Go 1.25 and later)
//	memlimit N        call debug.SetMemoryLimit(N)
//	gogc N            call debug.SetGCPercent(N)
//	alloc BYTES       keep so many more bytes of heap
//	free              let go of all of it
//	gc                run the garbage collector
//	burn N            keep N goroutines busy until the end
//	wait N            start N goroutines that wait
//	wake              let all of these end
//	sleep MS          wait
//	setenv NAME=VALUE call os.Setenv
//	exit              end
//
// Without arguments it reports once. At the end of standard input it stays alive and quiet; SIGUSR1 makes it report again.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	kept    [][]byte
	serial  sync.Mutex
	newer   = map[string]func(){} // what only newer versions can do
	waiting sync.WaitGroup
	hold    = make(chan bool)
)

type report struct {
	PID         int    `json:"pid"`
	Version     string `json:"version"`
	GOMAXPROCS  int    `json:"gomaxprocs"`
	NumCPU      int    `json:"num_cpu"`
	MemoryLimit any    `json:"memory_limit"` // "off" for none
	GCPercent   any    `json:"gc_percent"`   // "off"
	HeapMarked  uint64 `json:"heap_marked"`  // 0 where the version does not tell
	Mapped      uint64 `json:"mapped"`       // Sys - HeapReleased

	HeapGoal      uint64  `json:"heap_goal"`
	Collections   uint32  `json:"collections"`
	Forced        uint32  `json:"forced"`
	LastGC        uint64  `json:"last_gc"` // ns since the epoch, 0 before the first
	GCCPUFraction float64 `json:"gc_cpu_fraction"`
	GCSeconds     float64 `json:"gc_seconds"`      // these two are 0 where the version does not tell
	GCIdleSeconds float64 `json:"gc_idle_seconds"` // part of the former
	Goroutines    int     `json:"goroutines"`
	Runnable      int64   `json:"runnable"` // -1 where the version does not tell
}

func metric(name string) (uint64, bool) {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0, false
	}
	return sample[0].Value.Uint64(), true
}

func seconds(name string) float64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64 {
		return 0
	}
	return sample[0].Value.Float64()
}

// mapped reads both numbers at one moment: a heap that grows between two reads has 4 MiB more that count as released.
func mapped() uint64 {
	both := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(both)
	return both[0].Value.Uint64() - both[1].Value.Uint64()
}

func gcPercent() any {
	percent, known := metric("/gc/gogc:percent") // Go 1.21 and later; reading it otherwise means setting it
	if !known {
		old := debug.SetGCPercent(100)
		debug.SetGCPercent(old)
		percent = uint64(old)
	}
	if percent == math.MaxUint64 {
		return "off"
	}
	return int64(percent)
}

func collect() report {
	r := report{PID: os.Getpid(), Version: runtime.Version(), GOMAXPROCS: runtime.GOMAXPROCS(0), NumCPU: runtime.NumCPU()}
	r.MemoryLimit = any(debug.SetMemoryLimit(-1))
	if r.MemoryLimit == any(int64(math.MaxInt64)) {
		r.MemoryLimit = "off"
	}
	r.GCPercent = gcPercent()
	r.HeapMarked, _ = metric("/gc/heap/live:bytes")
	r.Mapped = mapped()
	stats := new(runtime.MemStats)
	runtime.ReadMemStats(stats)
	r.Collections, r.Forced, r.LastGC, r.GCCPUFraction = stats.NumGC, stats.NumForcedGC, stats.LastGC, stats.GCCPUFraction
	r.GCSeconds, r.GCIdleSeconds = seconds("/cpu/classes/gc/total:cpu-seconds"), seconds("/cpu/classes/gc/mark/idle:cpu-seconds")
	r.Goroutines, r.Runnable = runtime.NumGoroutine(), -1
	if runnable, known := metric("/sched/goroutines/runnable:goroutines"); known { // Go 1.26 and later
		r.Runnable = int64(runnable)
	}
	r.HeapGoal, _ = metric("/gc/heap/goal:bytes")
	return r
}

type record struct {
	next *record
	rest [3]uint64
}

var linked, dropped *record

func run(line string) (string, bool) {
	serial.Lock()
	defer serial.Unlock()
	name, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	n, _ := strconv.ParseInt(argument, 10, 64)
	switch name {
	case "":
		return "", true
	case "report":
	case "gomaxprocs":
		runtime.GOMAXPROCS(int(n))
	case "default":
		if reset := newer["default"]; reset != nil {
			reset()
		}
	case "memlimit":
		debug.SetMemoryLimit(n)
	case "gogc":
		debug.SetGCPercent(int(n))
	case "alloc":
		for ; n > 0; n -= 1 << 20 {
			block := make([]byte, 1<<20)
			for at := range block {
				block[at] = 1
			}
			kept = append(kept, block)
		}
	case "free":
		kept = nil
	case "gc":
		runtime.GC()
	case "burn":
		for ; n > 0; n-- {
			go func() {
				for at := 0; ; at++ {
					if at&0xfffff == 0 {
						runtime.Gosched()
					}
				}
			}()
		}
	case "garbage": // n linked records stay, and one goroutine makes and drops others all the time
		for ; n > 0; n-- {
			linked = &record{next: linked}
		}
		go func() {
			for {
				var head *record
				for at := 0; at < 20000; at++ {
					head = &record{next: head}
				}
				dropped = head
			}
		}()
	case "wait":
		for ; n > 0; n-- {
			waiting.Add(1)
			go func() {
				defer waiting.Done()
				<-hold
			}()
		}
	case "wake":
		close(hold)
		waiting.Wait()
		hold = make(chan bool)
	case "sleep":
		time.Sleep(time.Duration(n) * time.Millisecond)
	case "setenv":
		key, value, _ := strings.Cut(argument, "=")
		os.Setenv(key, value)
	case "exit":
		return "", false
	default:
		return fmt.Sprintf("{\"error\": %q}", line), true
	}
	text, _ := json.Marshal(collect())
	return string(text), true
}

func answer(line string) bool {
	text, more := run(line)
	if text != "" {
		fmt.Println(text)
	}
	return more
}

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		for range signals {
			answer("report")
		}
	}()
	commands := os.Args[1:]
	if len(commands) == 0 {
		commands = []string{"report"}
	}
	for _, line := range commands {
		if !answer(line) {
			return
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if !answer(lines.Text()) {
			return
		}
	}
	for {
		time.Sleep(time.Hour)
	}
}
