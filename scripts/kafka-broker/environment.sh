# Sourced by scripts/setup and scripts/kafka: where the broker's jars are, and which Java runs them.
kafka_version=4.1.2
kafka_home="${XDG_CACHE_HOME:-$HOME/.cache}/millrace/kafka-$kafka_version"
# Put in place by one rename: where it exists, it is whole.
kafka_libs="$kafka_home/libs"

java_command() {
  if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; then
    echo "$JAVA_HOME/bin/java"
  else
    command -v java || true
  fi
}

# True for a Java of 17 or newer that really runs (macOS has a stub that only complains).
java_is_enough() {
  local java major
  java=$(java_command)
  [ -n "$java" ] || return 1
  major=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
  [ -n "$major" ] && [ "$major" -ge 17 ]
}
