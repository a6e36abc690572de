# Sourced by the scripts beside it: makes $root/.venv ready, or ends with one line that says what to install.
# The caller sets $root, the checkout. Afterwards $python is the interpreter of .venv, which holds what requirements-dev.lock pins.
# cgtune itself is not installed there: it runs from the checkout, so that a moved or copied checkout still works.
#
# .venv/lock, a copy of the lock file, is written last: it is the mark of a finished .venv and says what is in it. Without it .venv was
# left half-made and is made anew. When all is ready nothing is started but, at most, one cmp.

lock=$root/requirements-dev.lock
python=$root/.venv/bin/python

venv_fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 3
}

venv_ready() {
  [ -x "$python" ] || return 1
  # Newer than the lock file: made from it. A fresh checkout or a copy may have turned the times round, hence the comparison.
  [ "$root/.venv/lock" -nt "$lock" ] || cmp -s "$root/.venv/lock" "$lock"
}

# The system's python3 may be too old while a newer one stands beside it.
venv_interpreter() {
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

venv_make() {
  base=$(venv_interpreter) || venv_fail "needs Python 3.11 or newer, found $(python3 --version 2>/dev/null || echo none): apt-get install python3 python3-venv"
  # Debian's python3 has venv but not what venv puts into it; python3-venv brings that.
  "$base" -c 'import venv, ensurepip' 2>/dev/null || venv_fail "python3-venv is missing: apt-get install python3-venv"
  [ -w "$root" ] || venv_fail "$root has no finished .venv and is not writable: run scripts/test there once as its owner"
  if [ -x "$python" ] && [ -e "$root/.venv/lock" ] && "$python" -m pip --version >/dev/null 2>&1; then
    rm -f "$root/.venv/lock"
  else
    printf '%s: first run here: making .venv with %s\n' "${0##*/}" "$("$base" --version)" >&2
    rm -rf "$root/.venv"
    # By its own name, /usr/bin/python3.11: after an upgrade to another Python a .venv of /usr/bin/python3 would start that one, and find nothing.
    "$("$base" -c 'import os, sys; print(os.path.realpath(sys.executable))')" -m venv "$root/.venv" >&2 || venv_fail "could not make $root/.venv"
  fi
  printf '%s: installing what requirements-dev.lock pins, once\n' "${0##*/}" >&2
  # --no-deps: the lock names everything, so pip has nothing to resolve.
  "$python" -m pip install -qq --disable-pip-version-check --no-input --no-deps -r "$lock" >&2 ||
    venv_fail "pip could not install requirements-dev.lock (see above); run again to retry"
  cp "$lock" "$root/.venv/.lock.new" && mv "$root/.venv/.lock.new" "$root/.venv/lock" || venv_fail "could not finish $root/.venv"
}

if ! venv_ready; then
  # Locked on the lock file itself (flock(2) needs no more than reading): a second run waits, then finds all ready.
  {
    flock 9 || venv_fail "could not lock $lock"
    venv_ready || venv_make
  } 9<"$lock"
fi
