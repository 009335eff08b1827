. "$(dirname "$0")/hostile.sh"
stages=03-shared-memory
test_hostile ${SIDE:-back}
