# What protoc makes of src/wire/*.proto: canopy_frames, for src/wire alone. What protoc writes is not ours to warn
# about, so its headers are a system's.

find_package(Protobuf 3.21 REQUIRED)
set(CANOPY_FRAMES ${CMAKE_BINARY_DIR}/frames)
file(MAKE_DIRECTORY ${CANOPY_FRAMES})
set(frame_sources)
foreach(name frames hyperfaas)
  add_custom_command(OUTPUT ${CANOPY_FRAMES}/${name}.pb.cc ${CANOPY_FRAMES}/${name}.pb.h
    DEPENDS ${PROJECT_SOURCE_DIR}/src/wire/${name}.proto
    COMMAND protobuf::protoc --cpp_out=${CANOPY_FRAMES} -I${PROJECT_SOURCE_DIR}/src/wire
            ${PROJECT_SOURCE_DIR}/src/wire/${name}.proto)
  list(APPEND frame_sources ${CANOPY_FRAMES}/${name}.pb.cc ${CANOPY_FRAMES}/${name}.pb.h)
endforeach()
add_library(canopy_frames STATIC ${frame_sources})
target_include_directories(canopy_frames SYSTEM PUBLIC ${CANOPY_FRAMES})
target_link_libraries(canopy_frames PUBLIC protobuf::libprotobuf-lite)
