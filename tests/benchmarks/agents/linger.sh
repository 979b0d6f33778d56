# Knocks when it is ready to be interrupted, and again when it is; runs until then.
[ "$2" = --version ] && exec echo codex-cli 0.1.0  # it is signalled
trap 'echo x > "$1"; exit 0' INT
echo x > "$1"
sleep 1000 &
wait
