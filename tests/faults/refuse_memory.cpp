// Refuses memory to the processes that preload it (LD_PRELOAD), as a test selects: never, at each site once, or always.
// A site is a stack of callers. It covers everything that takes memory from the C library: operator new, nginx and its
// pools, libpq, jansson, OpenSSL. Used by memory.test.mjs through refusal.mjs, which also knows the layout of Control.
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// glibc's own functions, under the names that it exports for this purpose.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

enum Mode : std::uint32_t { kOff, kEachSite, kAll };

constexpr std::size_t kSites = 1 << 15;
constexpr int kFrames = 12;

// Shared with the test and among all processes through a file.
struct Control {
  std::atomic<std::uint32_t> mode;
  std::int32_t master;                       // a process that always gets memory: it only starts the others
  char within[56];                           // only sites whose description contains this text count
  char spared[960];                          // lines: sites whose description contains one of them get memory
  std::atomic<std::uint64_t> sites[kSites];  // the sites so far, by their hash
};
static_assert(offsetof(Control, within) == 8 && offsetof(Control, spared) == 64 && offsetof(Control, sites) == 1024);

Control* control = nullptr;
char program[256];  // nginx overwrites the name that it was started with
Dl_info program_info;
int log_fd = -1;
// Of this thread: a worker may look host names up in another one. Static, because a dynamic one takes memory.
[[gnu::tls_model("initial-exec")]] thread_local bool busy = false;

// Describes the stack as text, the innermost caller first: the file of each caller, and the function if it is known.
struct Description {
  char text[4096];
  std::size_t size = 0;

  Description(void* const* frames, int count) noexcept {
    Dl_info own{};
    dladdr(&control, &own);
    add("%d", getpid());
    for (int i = 0; i < count; ++i) {
      Dl_info info{};
      auto* const call = static_cast<char*>(frames[i]) - 1;  // a return address may be the next function's
      if (dladdr(call, &info) == 0 || info.dli_fbase == own.dli_fbase) continue;
      const char* const file = info.dli_fbase == program_info.dli_fbase ? program : info.dli_fname;
      const char* const slash = std::strrchr(file, '/');
      const auto offset = static_cast<unsigned long>(call - static_cast<char*>(info.dli_fbase));
      add(" %s:%s+%lx", slash != nullptr ? slash + 1 : file, info.dli_sname != nullptr ? info.dli_sname : "", offset);
    }
  }

  template <typename... Values>
  void add(const char* format, Values... values) noexcept {
    const int added = std::snprintf(text + size, sizeof(text) - size, format, values...);
    if (added > 0 && size + static_cast<std::size_t>(added) < sizeof(text)) size += static_cast<std::size_t>(added);
  }

  bool is_wanted() const noexcept {
    if (std::strstr(text, control->within) == nullptr) return false;
    for (const char* line = control->spared; *line != '\0';) {
      const std::size_t length = std::strcspn(line, "\n");
      if (length > 0 && memmem(text, size, line, length) != nullptr) return false;
      line += length + (line[length] == '\n' ? 1 : 0);
    }
    return true;
  }
};

// Gives an address as an offset in its file, because after a reload of nginx the module may be at another address.
std::uint64_t place_of(void* address) noexcept {
  dl_find_object found;
  if (_dl_find_object(address, &found) != 0) return 0;
  const auto offset = static_cast<char*>(address) - static_cast<char*>(found.dlfo_map_start);
  return static_cast<std::uint64_t>(offset) ^ std::strlen(found.dlfo_link_map->l_name) << 48;
}

// False if this site is known, or there is no room for it.
bool is_new(void* const* frames, int count) noexcept {
  std::uint64_t hash = 14695981039346656037ULL;
  for (int i = 0; i < count; ++i) hash = (hash ^ place_of(frames[i])) * 1099511628211ULL;
  for (std::size_t probe = 0; probe < kSites; ++probe) {
    std::uint64_t seen = 0;
    if (control->sites[(hash + probe) % kSites].compare_exchange_strong(seen, hash)) return true;
    if (seen == hash) return false;
  }
  return false;
}

// Describes the stack only if a description is needed, because that takes time.
bool judge(std::uint32_t mode) noexcept {
  void* frames[kFrames];
  const int count = backtrace(frames, kFrames);
  const bool selects = *control->within != '\0' || *control->spared != '\0';
  if (selects && !Description(frames, count).is_wanted()) return false;
  if (mode == kAll) return true;
  if (!is_new(frames, count)) return false;
  Description description(frames, count);
  description.add("\n");
  [[maybe_unused]] const ssize_t written = write(log_fd, description.text, description.size);
  return true;
}

bool refused() noexcept {
  if (control == nullptr || busy) return false;
  const std::uint32_t mode = control->mode.load(std::memory_order_relaxed);
  if (mode == kOff || getpid() == control->master) return false;
  busy = true;
  const bool result = judge(mode);
  busy = false;
  if (result) errno = ENOMEM;
  return result;
}

[[gnu::constructor]] void begin() {
  const char* const file = std::getenv("REFUSE_MEMORY");
  const char* const log = std::getenv("REFUSE_MEMORY_LOG");
  if (file == nullptr || log == nullptr) return;
  dladdr(reinterpret_cast<void*>(getauxval(AT_ENTRY)), &program_info);
  [[maybe_unused]] const ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
  void* frame = nullptr;
  backtrace(&frame, 1);  // loads the unwinder, which takes memory
  log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT, 0666);
  const int fd = open(file, O_RDWR | O_CLOEXEC);
  void* const memory = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (memory != MAP_FAILED) control = static_cast<Control*>(memory);
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) noexcept {
  return refused() ? nullptr : __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) noexcept {
  return refused() ? nullptr : __libc_calloc(count, size);
}

void* realloc(void* memory, std::size_t size) noexcept {
  return refused() ? nullptr : __libc_realloc(memory, size);
}

void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return refused() ? nullptr : __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}

int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
  void* const memory = memalign(alignment, size);
  if (memory == nullptr) return ENOMEM;
  *result = memory;
  return 0;
}

}  // extern "C"
