#!/bin/sh
# Puts the page together and writes it as C++ to standard output. Both builds
# run it: config.make for the module, cmake for the tests. Needs sha256sum,
# base64 (for the content security policy) and awk.

set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")"

style=$(cat page.css; printf .)
script=$(cat dom.js chart.js ask.js view.js events.js incidents.js follow.js main.js; printf .)
style=${style%.}
script=${script%.}

# Its bytes by printf: not every base64 is coreutils', which reads hexadecimal.
hash() {
    bytes=$(printf %s "$1" | sha256sum | awk '
        function digit(at) {
            return index("0123456789abcdef", substr($1, at, 1)) - 1
        }
        { for (i = 1; i < 64; i += 2) {
            printf "\\%03o", 16 * digit(i) + digit(i + 1)
        } }')
    printf "$bytes" | base64 | tr -d '\n'
}

style_hash=$(hash "$style")
script_hash=$(hash "$script")
# A browser would run nothing of a page whose hashes are wrong.
for each in "$style_hash" "$script_hash"; do
    if [ ${#each} -ne 44 ]; then
        echo "$0: no hash of the page: sha256sum and base64 are needed" >&2
        exit 1
    fi
done

cat <<END
// Made by src/web/embed.sh out of the files beside it: edit those.

#ifndef UPSTREAM_502_PAGE_DATA_H_
#define UPSTREAM_502_PAGE_DATA_H_

#include "absl/strings/string_view.h"

namespace upstream_502 {

inline constexpr absl::string_view kPageCsp =
    "default-src 'none'; "
    "style-src 'sha256-$style_hash'; "
    "script-src 'sha256-$script_hash'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

END

# The page is cut where the renderer puts something in.
STYLE=$style SCRIPT=$script awk '
    function put(line, marker, name,    at) {
        at = index(line, marker)
        printf "%s%s", substr(line, 1, at - 1), ENVIRON[name]
        return substr(line, at + length(marker))
    }
    function cut(line, marker, name,    at) {
        at = index(line, marker)
        printf "%s)page\";\n\ninline constexpr absl::string_view %s = " \
               "R\"page(", substr(line, 1, at - 1), name
        return substr(line, at + length(marker))
    }
    BEGIN {
        printf "inline constexpr absl::string_view kPageStart = R\"page("
    }
    {
        if (/<!--STYLE-->/) $0 = put($0, "<!--STYLE-->", "STYLE")
        if (/<!--SCRIPT-->/) $0 = put($0, "<!--SCRIPT-->", "SCRIPT")
        if (/<!--REPORT-->/) $0 = cut($0, "<!--REPORT-->", "kPageAfterReport")
        if (/<!--DATA-->/) $0 = cut($0, "<!--DATA-->", "kPageAfterData")
        print
    }
    END { printf ")page\";\n" }
' page.html

cat <<END

}  // namespace upstream_502

#endif  // UPSTREAM_502_PAGE_DATA_H_
END
