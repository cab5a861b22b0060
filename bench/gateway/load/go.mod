module polyanthus.dev/bench/load

go 1.24
