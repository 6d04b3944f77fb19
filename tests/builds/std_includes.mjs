// The headers of the C++ standard library that a file uses, by the names in it, and those that it includes, directly or
// through this project's headers. What a header of the library itself includes differs between libraries and their
// versions.
import fs from 'node:fs';
import path from 'node:path';

import { kRoot } from '../lib/scratch.mjs';

// The names of namespace std that this project uses or may use, by the header that declares them. If several headers
// do, the first one is reported for a file that has none of them.
const kNamesByHeader = {
  'algorithm': `all_of any_of binary_search clamp copy copy_if copy_n count count_if equal equal_range fill fill_n find
    find_first_of find_if find_if_not for_each generate is_sorted lower_bound make_heap max max_element min min_element minmax
    mismatch none_of nth_element partition pop_heap push_heap remove_if replace replace_copy_if replace_if reverse rotate search
    shuffle sort stable_partition stable_sort transform unique upper_bound`,
  'array': 'array',
  'atomic': `atomic atomic_bool atomic_thread_fence memory_order_acq_rel memory_order_acquire memory_order_relaxed
    memory_order_release memory_order_seq_cst`,
  'bitset': 'bitset',
  'charconv': 'chars_format from_chars to_chars',
  'chrono': 'chrono',
  'cctype': 'isalnum isalpha isdigit isspace isxdigit tolower toupper',
  'cmath': 'ceil fabs floor fmax fmin fmod isfinite isinf isnan log pow round sqrt trunc',
  'condition_variable': 'condition_variable',
  'csignal': 'sig_atomic_t signal',
  'cstdint': 'int16_t int32_t int64_t int8_t uint16_t uint32_t uint64_t uint8_t uintptr_t',
  'cstdio': 'fclose fflush fopen fprintf fputs fread fwrite perror printf snprintf tmpfile vsnprintf',
  'cstdlib': 'abort abs atoi atol atoll calloc div exit free getenv malloc realloc strtod strtol strtoll strtoul strtoull',
  'cstring': 'memchr memcmp memcpy memmove memset strchr strcmp strcspn strerror strlen strncmp strrchr strspn strstr',
  'ctime': 'clock gmtime localtime mktime strftime time time_t tm',
  'algorithm cstdio': 'remove',
  'deque': 'deque',
  'exception': 'current_exception exception_ptr terminate',
  'exception stdexcept': 'exception',
  'filesystem': 'filesystem',
  'fstream': 'ifstream ofstream',
  'fstream sstream': 'ios',
  'functional': 'bind equal_to function greater less less_equal not_fn ref',
  'functional string': 'hash',
  'initializer_list': 'initializer_list',
  'iomanip': 'setfill setprecision setw',
  'iostream': 'cerr cin cout',
  'iterator': 'back_inserter inserter istreambuf_iterator',
  'iterator array string string_view vector map list set deque': 'advance begin distance end move_iterator next prev reverse_iterator size',
  'limits': 'numeric_limits',
  'list': 'list',
  'map': 'map multimap',
  'memory': 'enable_shared_from_this make_shared make_unique shared_ptr unique_ptr weak_ptr',
  'mutex': 'call_once lock_guard mutex once_flag unique_lock',
  'new': 'bad_alloc launder nothrow',
  'numeric': 'accumulate iota',
  'optional': 'make_optional nullopt optional',
  'queue': 'priority_queue queue',
  'random': 'bernoulli_distribution minstd_rand mt19937 mt19937_64 random_device uniform_int_distribution',
  'set': 'multiset set',
  'sstream': 'istringstream ostringstream stringstream',
  'stack': 'stack',
  'stdexcept': 'invalid_argument length_error logic_error out_of_range runtime_error',
  'string': 'char_traits getline stod stoi stol stoll stoul stoull string to_string',
  'string_view': 'string_view',
  'system_error': 'errc error_code generic_category make_error_code system_category system_error',
  'thread': 'this_thread thread',
  'tuple': 'apply forward_as_tuple ignore make_tuple tie tuple tuple_cat',
  'type_traits': `conditional_t decay_t enable_if_t false_type invoke_result_t is_convertible_v is_enum_v is_integral_v is_same_v
    is_trivially_copyable_v is_trivially_destructible_v make_unsigned_t remove_reference_t true_type underlying_type_t void_t`,
  'unordered_map': 'unordered_map unordered_multimap',
  'unordered_set': 'unordered_set',
  'utility': 'as_const declval exchange forward index_sequence make_pair move pair piecewise_construct swap',
  'variant': 'get_if holds_alternative monostate variant visit',
  'variant tuple utility array': 'get',
  'vector': 'vector',
  // Every header that has to do with sizes declares them.
  'cstddef cstdint cstdio cstdlib cstring ctime string string_view vector array': 'ptrdiff_t size_t',
};

const kHeadersOf = new Map(Object.entries(kNamesByHeader).flatMap(([headers, names]) =>
  names.trim().split(/\s+/).map((name) => [name, headers.split(' ')])));

const kInclude = /^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/gm;
const read = (file) => fs.readFileSync(path.join(kRoot, file), 'utf8');
const withoutStrings = (text) =>
  text.replace(kInclude, '').replace(/"(\\.|[^"\\\n])*"/g, '""').replace(/\/\/.*$/gm, '');

// Headers of this project are named from the top of the repository; a file in tests/ may also name its neighbours.
function resolve(file, name) {
  const folders = ['.', path.dirname(file)];
  return folders.map((folder) => path.join(folder,
    name)).find((candidate) => fs.existsSync(path.join(kRoot, candidate)));
}

// The file's first include, if it is a header of this project.
export function firstInclude(file) {
  const [first] = read(file).matchAll(kInclude);
  return first?.[1] === '"' ? first[2] : undefined;
}

function reachedBy(file, seen = new Set()) {
  if (seen.has(file)) return new Set();
  seen.add(file);
  const reached = new Set();
  for (const [, kind, name] of read(file).matchAll(kInclude)) {
    const own = kind === '"' ? resolve(file, name) : undefined;
    for (const header of own ? reachedBy(own, seen) : [name]) reached.add(header);
  }
  return reached;
}

// The names that the file uses without including a header: [{ name, header }]. A name that is not in the table has no
// header.
export function missingIncludes(file) {
  const reached = reachedBy(file);
  const names = new Set(Array.from(withoutStrings(read(file)).matchAll(/\bstd::([a-z_0-9]+)/g), ([, name]) => name));
  return [...names].filter((name) => !kHeadersOf.get(name)?.some((header) => reached.has(header)))
    .map((name) => ({ name, header: kHeadersOf.get(name)?.[0] }));
}
