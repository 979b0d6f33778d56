# Knocks when it is ready to be interrupted, and again when it is; runs until then.
trap 'echo x > "$1"; exit 0' INT
echo x > "$1"
sleep 1000 &
wait
