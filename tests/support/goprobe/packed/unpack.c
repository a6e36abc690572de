// What a packer's stub does at run time, without the packing: the ELF file named by UNPACK is copied into anonymous memory at its linked
// addresses and started there, so that no mapping of the process leads back to the file. Static programs linked at a fixed address only.
// With UNPACK_MEMFD its code lies in memory that is shared, as that of programs packed by UPX 5 does.
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv, char **environment) {
  int file = open(getenv("UNPACK"), O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) return 1;
  char *image = mmap(0, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  Elf64_Ehdr *head = (Elf64_Ehdr *)image;
  Elf64_Phdr *parts = (Elf64_Phdr *)(image + head->e_phoff);
  unsigned long headers = 0;
  for (int i = 0; i < head->e_phnum; i++) {
    Elf64_Phdr *part = parts + i;
    if (part->p_type != PT_LOAD) continue;
    unsigned long start = part->p_vaddr & ~4095UL, end = (part->p_vaddr + part->p_memsz + 4095) & ~4095UL;
    char *place = mmap((void *)start, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (place != (char *)start) return 2;
    memcpy((char *)part->p_vaddr, image + part->p_offset, part->p_filesz);
    if (part->p_offset == 0) headers = part->p_vaddr + head->e_phoff;
    int protection = (part->p_flags & PF_R ? PROT_READ : 0) | (part->p_flags & PF_W ? PROT_WRITE : 0) | (part->p_flags & PF_X ? PROT_EXEC : 0);
    mprotect(place, end - start, protection);
    if (getenv("UNPACK_MEMFD") && (part->p_flags & PF_X)) {
      int shared = memfd_create("upx", 0);
      if (write(shared, place, end - start) != (ssize_t)(end - start)) return 3;
      if (mmap(place, end - start, protection, MAP_SHARED | MAP_FIXED, shared, 0) != place) return 4;
      close(shared);
    }
  }
  unsigned long entry = head->e_entry, segments = head->e_phnum;
  munmap(image, status.st_size);
  close(file);
  char **past = environment;
  while (*past) past++;
  for (Elf64_auxv_t *known = (Elf64_auxv_t *)(past + 1); known->a_type != AT_NULL; known++) {
    if (known->a_type == AT_PHDR) known->a_un.a_val = headers;
    if (known->a_type == AT_PHNUM) known->a_un.a_val = segments;
    if (known->a_type == AT_ENTRY) known->a_un.a_val = entry;
    if (known->a_type == AT_BASE) known->a_un.a_val = 0;
  }
  // The stack as the kernel made it: argc is the word below argv
  __asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\tjmp *%1" : : "r"((long *)argv - 1), "r"(entry) : "memory");
  return argc;
}
