# Says at once, into the pipe $1, that it runs; then ends as a successful run does.
[ "$2" = --version ] && exit
echo x > "$1"
echo '{"type":"result","subtype":"success","is_error":false,"result":"Done."}'
