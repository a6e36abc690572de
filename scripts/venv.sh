# Sourced by the scripts beside it: makes $root/.venv ready, or ends with one line that says what to install.
# The caller sets $root, the checkout, and $venv_for: "user" for the packages that cgtune needs (deploy/requirements.lock); anything else, or
# nothing, for those of its tests and checks (requirements-dev.lock, which has the former too). Afterwards $python is the interpreter of .venv.
# cgtune itself is not installed there: it runs from the checkout, so that a moved or copied checkout still works.
#
# .venv/lock, or .venv/lock-user, is a copy of the lock file that was installed last, written at the very end: it is the mark of a finished
# .venv and says what is in it. Without one .venv was left half-made and is made anew. When all is ready nothing is started but, at most, a cmp.

python=$root/.venv/bin/python

venv_fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 3
}

# Whether the mark $1 is of the lock file $2.
venv_holds() {
  # Newer than the lock file: made from it. A fresh checkout or a copy may have turned the times round, hence the comparison.
  [ "$root/.venv/$1" -nt "$root/$2" ] || { [ -e "$root/.venv/$1" ] && cmp -s "$root/.venv/$1" "$root/$2"; }
}

venv_ready() {
  [ -x "$python" ] || return 1
  venv_holds lock requirements-dev.lock || { [ "${venv_for:-}" = user ] && venv_holds lock-user deploy/requirements.lock; }
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
  [ -w "$root" ] || venv_fail "$root has no finished .venv and is not writable: run scripts/${0##*/} there once as its owner"
  if [ -x "$python" ] && { [ -e "$root/.venv/lock" ] || [ -e "$root/.venv/lock-user" ]; } && "$python" -m pip --version >/dev/null 2>&1; then
    rm -f "$root/.venv/lock" "$root/.venv/lock-user"
  else
    printf '%s: first run here: making .venv with %s\n' "${0##*/}" "$("$base" --version)" >&2
    rm -rf "$root/.venv"
    # By its own name, /usr/bin/python3.11: after an upgrade to another Python a .venv of /usr/bin/python3 would start that one, and find nothing.
    "$("$base" -c 'import os, sys; print(os.path.realpath(sys.executable))')" -m venv "$root/.venv" >&2 || venv_fail "could not make $root/.venv"
  fi
  case ${venv_for:-} in
    user) lock=deploy/requirements.lock mark=lock-user ;;
    *) lock=requirements-dev.lock mark=lock ;;
  esac
  printf '%s: installing the %s packages of %s, once\n' "${0##*/}" "$(grep -c '^[a-z]' "$root/$lock")" "$lock" >&2
  # --no-deps: the lock names everything, so pip has nothing to resolve. Its words go into a file: the last line, or what it means, is enough.
  said=$root/.venv/pip-said
  "$python" -m pip install -q --disable-pip-version-check --no-input --no-deps --retries 2 -r "$root/$lock" >"$said" 2>&1 || {
    if grep -qE 'Retrying|[Cc]onnection|resolution' "$said"; then
      why="the package index cannot be reached"
    else
      why=$(tail -n 1 "$said")
    fi
    venv_fail "pip could not install $lock: $why; run again to retry"
  }
  rm -f "$said"
  # For those who may run cgtune here and not write: without byte code each of their starts would take 3.6 times the CPU time.
  "$python" -m compileall -q "$root/cgtune" >/dev/null 2>&1 || :
  cp "$root/$lock" "$root/.venv/.lock.new" && mv "$root/.venv/.lock.new" "$root/.venv/$mark" || venv_fail "could not finish $root/.venv"
}

if ! venv_ready; then
  # Locked on this very file (flock(2) needs no more than reading): a second run waits, then finds all ready.
  {
    flock 9 || venv_fail "could not lock $root/scripts/venv.sh"
    venv_ready || venv_make
  } 9<"$root/scripts/venv.sh"
fi
