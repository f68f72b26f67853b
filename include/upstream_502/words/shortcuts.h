// Whether what was found before is remembered. A build with
// UPSTREAM_502_LONG_WAY goes the long way every time: the tests have to pass
// with it just the same, so that no shortcut can mean something of its own.

#ifndef UPSTREAM_502_WORDS_SHORTCUTS_H_
#define UPSTREAM_502_WORDS_SHORTCUTS_H_

namespace upstream_502 {

#ifdef UPSTREAM_502_LONG_WAY
inline constexpr bool kShortcuts = false;
#else
inline constexpr bool kShortcuts = true;
#endif

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_SHORTCUTS_H_
