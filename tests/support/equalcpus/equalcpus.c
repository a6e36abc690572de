/* What gives the CPUs of an instruction-counted guest of QEMU 8.1 and later the same speed, without changing QEMU.
 *
 * Idle CPUs execute NOPs instead of halting: a halted one would leave its turn to the others, and they would be faster. It is an idle state
 * and no program that spins, so that the scheduler still sees which CPUs are idle.
 *
 * A timer of the HPET ends every period_us microseconds. It interrupts nobody: QEMU gives each CPU its turn out of the time to the next
 * timer, so that turns stay short.
 */
#include <linux/cpuidle.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/idle.h>

static int period_us = 100;
module_param(period_us, int, 0444);

#define HPET_ADDRESS 0xfed00000 /* of every PC that QEMU emulates */
#define HPET_TIMER 2            /* the kernel takes 0 and 1 */
#define HPET_SET_VALUE 0x40
#define HPET_PERIODIC 0x08

static int __cpuidle enter_nops(struct cpuidle_device *device, struct cpuidle_driver *driver, int index)
{
	raw_local_irq_enable();
	if (!current_set_polling_and_test()) {
		while (!need_resched())
			asm volatile(".rept 126\n nop\n .endr" ::: "memory");
	}
	current_clr_polling();
	return index;
}

static struct cpuidle_driver nops = {
	.name = "nops",
	.owner = THIS_MODULE,
	.state_count = 1,
	.states = { { .name = "NOP", .desc = "NOPs", .enter = enter_nops } },
};

static int __init equalcpus_init(void)
{
	void __iomem *hpet = ioremap(HPET_ADDRESS, 1024);
	void __iomem *timer = hpet + 0x100 + 0x20 * HPET_TIMER;
	u64 ticks;

	if (!hpet)
		return -ENODEV;
	ticks = period_us * 1000000000ULL / (readq(hpet) >> 32); /* femtoseconds a tick */
	writeq(HPET_SET_VALUE | HPET_PERIODIC, timer);
	writeq(readq(hpet + 0xf0) + ticks, timer + 8);
	writeq(ticks, timer + 8);
	iounmap(hpet);
	return cpuidle_register(&nops, NULL);
}

module_init(equalcpus_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("CPUs of the same speed in an instruction-counted guest");
