# Prints the file $2 as fast as it is read, and knocks into the pipe $1 before and after.
[ "$3" = --version ] && exit
echo x > "$1"
cat "$2"
echo x > "$1"
