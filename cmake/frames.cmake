# The bodies of frames, compiled from src/wire/frames.proto: canopy_frames, for src/wire alone. What protoc writes
# is not ours to warn about, so its header is a system's.

find_package(Protobuf 3.21 REQUIRED)
set(CANOPY_FRAMES ${CMAKE_BINARY_DIR}/frames)
file(MAKE_DIRECTORY ${CANOPY_FRAMES})
add_custom_command(OUTPUT ${CANOPY_FRAMES}/frames.pb.cc ${CANOPY_FRAMES}/frames.pb.h
  DEPENDS ${PROJECT_SOURCE_DIR}/src/wire/frames.proto
  COMMAND protobuf::protoc --cpp_out=${CANOPY_FRAMES} -I${PROJECT_SOURCE_DIR}/src/wire
          ${PROJECT_SOURCE_DIR}/src/wire/frames.proto)
add_library(canopy_frames STATIC ${CANOPY_FRAMES}/frames.pb.cc ${CANOPY_FRAMES}/frames.pb.h)
target_include_directories(canopy_frames SYSTEM PUBLIC ${CANOPY_FRAMES})
target_link_libraries(canopy_frames PUBLIC protobuf::libprotobuf-lite)
