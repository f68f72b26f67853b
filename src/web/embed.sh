#!/bin/sh
# Puts the page together and writes it as C++ to standard output. Both builds
# run it: config.make for the module, cmake for the tests. Needs coreutils (for
# the hashes of the content security policy) and awk.

set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")"

style=$(cat page.css; printf .)
script=$(cat dom.js chart.js view.js events.js incidents.js follow.js main.js; printf .)
style=${style%.}
script=${script%.}

hash() {
    printf %s "$1" | sha256sum | cut -c 1-64 | tr a-f A-F |
        basenc --base16 -d | base64 | tr -d '\n'
}

cat <<END
// Made by src/web/embed.sh out of the files beside it: edit those.

#ifndef UPSTREAM_502_PAGE_DATA_H_
#define UPSTREAM_502_PAGE_DATA_H_

#include "absl/strings/string_view.h"

namespace upstream_502 {

inline constexpr absl::string_view kPageCsp =
    "default-src 'none'; "
    "style-src 'sha256-$(hash "$style")'; "
    "script-src 'sha256-$(hash "$script")'; "
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
