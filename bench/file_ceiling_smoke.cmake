# The program wants a file that isn't there yet.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${PROGRAM} --file ${FOLDER}/file --bytes 1000000 --sync-bytes 300000 COMMAND_ERROR_IS_FATAL ANY)
