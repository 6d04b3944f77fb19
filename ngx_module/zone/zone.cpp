// Sets up the shared memory in the master process; see zone.hpp.
#include "ngx_module/zone/zone.hpp"

#include <sys/eventfd.h>

#include <cstring>
#include <string>

#include "core/metrics/slots.hpp"
#include "core/shared/revocations.hpp"

namespace pgevents::nginx {
namespace {

// Increase it with every change of a layout (SharedRoot, ring, wait ids, revocations, metrics): old and new workers
// must not share such a zone.
constexpr char kLayoutVersion[] = "11";

std::size_t align(std::size_t bytes) {
  return (bytes + 63) & ~std::size_t{63};
}

std::size_t block_bytes(std::size_t ring_size) {
  return align(sizeof(SharedRoot)) + align(Ring::memory_size(ring_size)) + align(WaitIds::memory_size(kWaitIdSlots)) +
         2 * align(Revocations::memory_size(kRevocationSlots)) + align(MetricsSlots::memory_size(kMetricsSlots));
}

// Places the parts behind the root. `root` is zeroed.
void lay_out(SharedRoot& root, std::size_t ring_size) {
  const SipKey key = random_sip_key();  // lives as long as the zone: workers before and after a reload share the ring
  auto* memory = reinterpret_cast<char*>(&root) + align(sizeof(SharedRoot));
  const auto take = [&memory](std::size_t bytes) { return std::exchange(memory, memory + align(bytes)); };
  root.ring_bytes = Ring::memory_size(ring_size);
  root.ring = take(root.ring_bytes);
  Ring{}.create(root.ring, root.ring_bytes, key);
  root.wait_ids = take(WaitIds::memory_size(kWaitIdSlots));
  WaitIds{}.create(root.wait_ids, kWaitIdSlots, key);
  for (void*& table : root.revocations) {
    table = take(Revocations::memory_size(kRevocationSlots));
    Revocations{}.create(table, kRevocationSlots);
  }
  root.metrics = take(MetricsSlots::memory_size(kMetricsSlots));
  MetricsSlots{}.create(root.metrics, kMetricsSlots);
  SharedCopy& copy = root.copy;
  for (auto* value : {&copy.is_running, &copy.errors, &copy.lag_ids, &copy.lag_ms}) {
    value->store(kUnknownValue);
  }
}

ngx_slab_pool_t* slab(ngx_shm_zone_t* zone) {
  return reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr);
}

ngx_int_t init_zone(ngx_shm_zone_t* zone, void* old_data) {
  if (old_data != nullptr) {  // a reload: the same memory again
    zone->data = old_data;
    ngx_log_debug1(NGX_LOG_DEBUG_CORE, zone->shm.log, 0, "pgevents: zone \"%V\" kept over the reload", &zone->shm.name);
    return NGX_OK;
  }
  if (zone->shm.exists) {
    zone->data = slab(zone)->data;
    return NGX_OK;
  }
  const auto ring_size = *static_cast<const std::size_t*>(zone->data);
  auto* root = static_cast<SharedRoot*>(ngx_slab_calloc(slab(zone), block_bytes(ring_size)));
  if (root == nullptr) {
    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0, "pgevents: no room for the ring in zone \"%V\"", &zone->shm.name);
    return NGX_ERROR;
  }
  new (root) SharedRoot{};
  lay_out(*root, ring_size);
  root->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (root->wake_fd == -1) {
    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, ngx_errno, "pgevents: eventfd() failed");
    return NGX_ERROR;
  }
  slab(zone)->data = root;
  zone->data = root;
  ngx_log_debug2(NGX_LOG_DEBUG_CORE, zone->shm.log, 0, "pgevents: zone \"%V\" created, ring of %uz bytes",
                 &zone->shm.name, ring_size);
  return NGX_OK;
}

// Distinguishes databases. Leaves out the password, so that changing it keeps the history. Unkeyed, so that it is the
// same after a reload; the text is the operator's.
std::uint64_t digest(const char* const* keywords, const char* const* values) {
  std::string text;
  for (std::size_t i = 0; keywords[i] != nullptr; ++i) {
    if (std::strcmp(keywords[i], "password") != 0 && std::strcmp(keywords[i], "hostaddr") != 0) {
      text.append(keywords[i]).append("=").append(values[i]).append("\n");
    }
  }
  return siphash({}, text);
}

}  // namespace

ngx_shm_zone_t* add_zone(ngx_conf_t* cf, const ngx_str_t& database, const char* const* keywords,
                         const char* const* values, std::size_t ring_size) {
  char suffix[32];
  ngx_snprintf(reinterpret_cast<u_char*>(suffix), sizeof(suffix), ":%s:%016xL%Z", kLayoutVersion,
               static_cast<std::int64_t>(digest(keywords, values)));
  ngx_str_t name = copy(cf->pool, "pgevents:" + std::string(view(database)) + suffix);
  if (name.data == nullptr) {
    return nullptr;
  }
  // The slab allocator keeps 24 bytes for each page of its own, and some for its header.
  const std::size_t block = block_bytes(ring_size);
  const std::size_t size = (block + block / 64 + 32 * ngx_pagesize) & ~(ngx_pagesize - 1);
  ngx_shm_zone_t* zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_pgevents_module);
  if (zone == nullptr) {
    return nullptr;
  }
  auto* const wanted = static_cast<std::size_t*>(ngx_palloc(cf->pool, sizeof(std::size_t)));
  if (wanted == nullptr) {
    return nullptr;
  }
  *wanted = ring_size;
  zone->init = init_zone;
  zone->data = wanted;  // until init_zone() replaces it by the root
  return zone;
}

SharedRoot* zone_root(ngx_shm_zone_t* zone) noexcept {
  return static_cast<SharedRoot*>(zone->data);
}

ZoneLock::ZoneLock(ngx_shm_zone_t* zone) noexcept : mutex_(&slab(zone)->mutex) {
  ngx_shmtx_lock(mutex_);
}
ZoneLock::~ZoneLock() {
  ngx_shmtx_unlock(mutex_);
}

}  // namespace pgevents::nginx
