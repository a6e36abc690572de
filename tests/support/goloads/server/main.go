// Server measures what GOMAXPROCS does to a server under a CPU quota: the load of scripts/bench/advice.
//
//	server calibrate [ROUNDS TURNS]             prints how many turns of the loop a microsecond has, on a thread that gets its CPU
//	server serve                                the server, inside the measured cgroup
//	server generate RATE SECONDS SEED           the generator, outside of it
//
// Requests come by chance (Poisson), whatever became of those before. A request is the moment at which it was meant to come, its work and
// how much it allocates; its latency counts from that moment. 8 of 9 requests work for 0.5 ms and one for 5 ms: 1 ms on average.
//
// The environment has: SOCKET, CONNECTIONS, TURNS (of a microsecond), ALLOCATE (bytes a request), LIVE (bytes that stay alive), SKIP
// (requests that are not counted, at the begin), CLOSED (seconds in which the server's own goroutines work without pause instead).
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
	_ "unsafe" // for nanotime
)

//go:linkname nanotime runtime.nanotime
func nanotime() int64

type node struct {
	next *node
	rest [7]uint64
}

var (
	alive    []*node
	results  [64]uint64
	turns    float64
	allocate int
)

func variable(name string) float64 {
	value, _ := strconv.ParseFloat(os.Getenv(name), 64)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func spin(count int64) (x uint64) {
	x = 1
	for range count {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return
}

func cost(r *rand.Rand) (us float64) {
	if r.Intn(9) == 0 {
		return 5000
	}
	return 500
}

func work(worker int, us float64) *node {
	var first *node
	for range allocate / 64 {
		first = &node{next: first}
	}
	results[worker%64] = spin(int64(us * turns))
	return first
}

// calibrate tells the lower quartile of many short tries: others take the CPU for a while, and an emulated clock may jump.
func calibrate(rounds, count int64) {
	runtime.LockOSThread()
	var took []float64
	for range rounds {
		begin := nanotime()
		results[0] = spin(count)
		took = append(took, float64(nanotime()-begin)/1000)
	}
	slices.Sort(took)
	fmt.Printf("%.2f\n", float64(count)/took[len(took)/4])
}

func serve() {
	connections, skip, closed := int(variable("CONNECTIONS")), int(variable("SKIP")), variable("CLOSED")
	turns, allocate = variable("TURNS"), int(variable("ALLOCATE"))
	for i := range int(variable("LIVE")) / 64 {
		made := &node{}
		if i > 0 {
			made.next = alive[i/2]
		}
		alive = append(alive, made)
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	cycles := memory.NumGC
	took := make([][]float64, connections)
	var ended sync.WaitGroup
	var begin int64
	if closed > 0 {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
		begin = nanotime()
		for i := range connections {
			ended.Add(1)
			go func() {
				defer ended.Done()
				workWithoutPause(i, begin+int64(closed*1e9), &took[i])
			}()
		}
	} else {
		listener, err := net.Listen("unix", os.Getenv("SOCKET"))
		check(err)
		fmt.Println("ready")
		for i := range connections {
			connection, err := listener.Accept()
			check(err)
			ended.Add(1)
			go func() {
				defer ended.Done()
				answer(i, connection, skip, &took[i])
			}()
		}
		begin = nanotime()
	}
	ended.Wait()
	seconds := float64(nanotime()-begin) / 1e9
	runtime.ReadMemStats(&memory)
	all := slices.Concat(took...)
	slices.Sort(all)
	at := func(share float64) float64 {
		return all[max(0, min(len(all)-1, int(math.Ceil(share*float64(len(all))))-1))]
	}
	sum := 0.0
	for _, one := range all {
		sum += one
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"requests": len(all), "mean": sum / float64(len(all)), "p50": at(.5), "p99": at(.99),
		"p999": at(.999), "max": at(1), "rate": float64(len(all)) / seconds, "gc": memory.NumGC - cycles, "procs": runtime.GOMAXPROCS(0)}))
}

func workWithoutPause(worker int, end int64, took *[]float64) {
	r := rand.New(rand.NewSource(int64(worker)))
	var kept *node
	for began := nanotime(); began < end; began = nanotime() {
		kept = work(worker, cost(r))
		*took = append(*took, float64(nanotime()-began)/1e6)
	}
	runtime.KeepAlive(kept)
}

func answer(worker int, connection net.Conn, skip int, took *[]float64) {
	var message [24]byte
	var kept *node
	for {
		if _, err := io.ReadFull(connection, message[:]); err != nil {
			runtime.KeepAlive(kept)
			return
		}
		meant := int64(binary.LittleEndian.Uint64(message[0:]))
		kept = work(worker, math.Float64frombits(binary.LittleEndian.Uint64(message[8:])))
		connection.Write(message[:8])
		if int(binary.LittleEndian.Uint64(message[16:])) >= skip {
			*took = append(*took, float64(nanotime()-meant)/1e6)
		}
	}
}

func generate(rate, seconds float64, seed int64) {
	runtime.LockOSThread()
	const timerSlack = 29 // PR_SET_TIMERSLACK
	syscall.RawSyscall(syscall.SYS_PRCTL, timerSlack, 1, 0)
	connections := make([]int, int(variable("CONNECTIONS")))
	var open []net.Conn
	for i := range connections {
		connection, err := net.Dial("unix", os.Getenv("SOCKET"))
		check(err)
		raw, err := connection.(*net.UnixConn).SyscallConn()
		check(err)
		check(raw.Control(func(fd uintptr) { connections[i] = int(fd) }))
		open = append(open, connection)
	}
	time.Sleep(50 * time.Millisecond)
	r := rand.New(rand.NewSource(seed))
	count, late := int(rate*seconds), 0.0
	begin := nanotime()
	meant := float64(begin + 5_000_000)
	var message [24]byte
	var answers [4096]byte
	for i := range count {
		meant += r.ExpFloat64() / rate * 1e9
		us := cost(r)
		for left := int64(meant) - nanotime(); left > 0; left = int64(meant) - nanotime() {
			pause := syscall.NsecToTimespec(left)
			syscall.Nanosleep(&pause, nil)
		}
		late = max(late, float64(nanotime())-meant)
		binary.LittleEndian.PutUint64(message[0:], uint64(int64(meant)))
		binary.LittleEndian.PutUint64(message[8:], math.Float64bits(us))
		binary.LittleEndian.PutUint64(message[16:], uint64(i))
		to := connections[i%len(connections)]
		syscall.Write(to, message[:])
		syscall.Read(to, answers[:]) // these sockets do not block: answers are thrown away
	}
	wall := float64(nanotime()-begin) / 1e9
	for _, connection := range open {
		check(connection.(*net.UnixConn).CloseWrite())
	}
	fmt.Printf("{\"sent\": %d, \"seconds\": %.4f, \"latest_ms\": %.3f}\n", count, wall, late/1e6)
}

func main() {
	switch os.Args[1] {
	case "calibrate":
		rounds, count := int64(200), int64(500_000)
		if len(os.Args) == 4 {
			rounds, _ = strconv.ParseInt(os.Args[2], 10, 64)
			count, _ = strconv.ParseInt(os.Args[3], 10, 64)
		}
		calibrate(rounds, count)
	case "serve":
		serve()
	case "generate":
		rate, _ := strconv.ParseFloat(os.Args[2], 64)
		seconds, _ := strconv.ParseFloat(os.Args[3], 64)
		seed, _ := strconv.ParseInt(os.Args[4], 10, 64)
		generate(rate, seconds, seed)
	}
}
