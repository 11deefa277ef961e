#!/usr/bin/env bash
# usage: selftest.sh: each lint passes a good example and fails a bad one, for the reason it should.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
bad=0

# A small project without faults.
good() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{src/base,src/format,src/token,src/compute,cli,tools,man,lib}
    cat >"$tree/src/base/a.h" <<'END'
/* What a is. */
#ifndef SLK_BASE_A_H
#define SLK_BASE_A_H

typedef struct slk_a {
    int n;
} slk_a;

/* Count. */
int slk_a_count(const slk_a *a,
                int more);
int slk_a_size(const slk_a *a);

int slk_a_rank(const slk_a *a); /* from 0 */

/* --- more --------------------------------------------- */

void slk_a_free(slk_a *a);

#endif
END
    printf '#include "base/a.h"\nint slk_f(void);\nint slk_f(void) { return 1; }\n' >"$tree/src/format/f.c"
    printf '#include <immintrin.h>\n#include "base/a.h"\n' >"$tree/src/compute/c.c"
    printf '#include "format/f.h"\n' >"$tree/cli/main.c"
    printf '#!/usr/bin/env bash\nset -euo pipefail\necho "$HOME"\n' >"$tree/tools/t.sh"
    printf '.Dd January 1, 2026\n.Dt T 1\n.Os\n.Sh NAME\n.Nm t\n.Nd a test\n' >"$tree/man/t.1"
}

passes() { # LINT ARGUMENT
    local said
    if ! said=$(bash "$here/$1.sh" "$2" 2>&1); then
        printf 'selftest: %s.sh fails a good example: %s\n' "$1" "$said"
        bad=1
    fi
}

fails() { # LINT ARGUMENT WHAT-IT-MUST-SAY
    local said
    if said=$(bash "$here/$1.sh" "$2" 2>&1); then
        printf 'selftest: %s.sh passes a bad example (%s)\n' "$1" "$3"
        bad=1
    elif [[ $said != *"$3"* ]]; then
        printf 'selftest: %s.sh fails for another reason than "%s": %s\n' "$1" "$3" "$said"
        bad=1
    fi
}

# A library out of one C file.
library() { # C-CODE
    printf '%s\n' "$1" >"$tree/lib/x.c"
    cc -c -o "$tree/lib/x.o" "$tree/lib/x.c"
    rm -f "$tree/lib/x.a"
    ar rc "$tree/lib/x.a" "$tree/lib/x.o"
}

good
for lint in layers comments length scripts manpage; do passes "$lint" "$tree"; done

good && printf '#include "token/t.h"\n' >>"$tree/src/format/f.c"
fails layers "$tree" 'src/format/f.c:4: format includes token/t.h'
good && printf '  #  include "know/match.h"\n' >>"$tree/src/base/a.h"
fails layers "$tree" 'base includes know/match.h'
good && printf '#include "cmd.h"\n#include "cli/cmd.h"\n' >"$tree/src/format/f.c"
fails layers "$tree" 'format includes cli/cmd.h'
good && printf '#include "../base/a.h"\n' >"$tree/src/format/f.c"
fails layers "$tree" 'written from src/'
good && printf '#include <immintrin.h>\n' >>"$tree/src/format/f.c"
fails layers "$tree" 'immintrin.h is included outside src/compute/'
good && printf '#include <sqlite3.h>\n' >>"$tree/cli/main.c"
fails layers "$tree" 'sqlite3.h is included outside src/store/'
good && mkdir "$tree/src/misc" && printf 'int x;\n' >"$tree/src/misc/m.c"
fails layers "$tree" 'src/misc/ has no place'
rm -rf "$tree/src" "$tree/cli"
fails layers "$tree" 'no C files'

good && printf '\nint slk_a_bare(void);\n' >>"$tree/src/base/a.h"
fails comments "$tree" 'exported without a comment: int slk_a_bare'
good && sed -i 's/^int slk_a_rank.*/int slk_a_rank(\n    const slk_a *a);/' "$tree/src/base/a.h"
fails comments "$tree" 'exported without a comment: int slk_a_rank'
good && sed -i 's/slk_a;$/slk_a_t;/' "$tree/src/base/a.h"
fails comments "$tree" 'ends in _t'
good && sed -i 1d "$tree/src/base/a.h"
fails comments "$tree" 'opens with a comment'
good && sed -i /ifndef/d "$tree/src/base/a.h"
fails comments "$tree" 'no include guard'

good && { yes '' || true; } | head -n 701 >"$tree/src/format/f.c"
fails length "$tree" 'more than 700 lines'

good && printf '#!/bin/sh\necho "$HOME"\n' >"$tree/tools/t.sh"
fails scripts "$tree" "no line 'set -euo pipefail'"
good && printf 'rm -rf $1/*\ncd $2\n' >>"$tree/tools/t.sh"
fails scripts "$tree" 'SC2115'

good && printf '.Nosuch\n' >>"$tree/man/t.1"
fails manpage "$tree" 'skipping unknown macro'

library 'int slk_x(void); int slk_x(void) { return 0; } static int y; int *slk_y(void); int *slk_y(void) { return &y; }'
passes symbols "$tree/lib/x.a"
library 'int helper(void); int helper(void) { return 0; }'
fails symbols "$tree/lib/x.a" 'exports helper'
library 'int counter = 1;'
fails symbols "$tree/lib/x.a" 'exports counter'
library '#include <stdlib.h>
void slk_x(void); void slk_x(void) { exit(1); }'
fails symbols "$tree/lib/x.a" 'may not use exit'
library '#include <stdio.h>
void slk_x(int n); void slk_x(int n) { printf("%d\n", n); }'
fails symbols "$tree/lib/x.a" 'may not use printf'
library '#include <stdlib.h>
char *slk_x(void); char *slk_x(void) { return getenv("HOME"); }'
fails symbols "$tree/lib/x.a" 'may not use getenv'
library '#include <stdio.h>
void slk_x(void); void slk_x(void) { fputs("x", stderr); }'
fails symbols "$tree/lib/x.a" 'may not use stderr'

[ $bad -eq 0 ] && echo "selftest: every lint fails what it should"
exit $bad
