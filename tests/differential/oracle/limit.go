//go:build limit

package main

import (
	"runtime"
	"strconv"
)

// limit takes the CPU count, /proc/self/cgroup, /proc/self/mountinfo, and the contents of cpu.max, cpu.cfs_quota_us and
// cpu.cfs_period_us wherever they are looked for; each content is led by "+", and empty where there is no such file.
func limit(request [][]byte) []string {
	cpus, err := strconv.Atoi(string(request[0]))
	if err != nil {
		panic(err)
	}
	said := answer(func() string {
		procs, why := runtime.OracleLimit(int32(cpus), request[1], request[2], request[3], request[4], request[5])
		return strconv.Itoa(int(procs)) + " " + why
	})
	return append([]string{said}, runtime.OracleOpened()...)
}
