#include <modalconflict/core/balance_point.hpp>
#include <modalconflict/core/uncertainty.hpp>

#include <cstdio>
#include <string>
#include <vector>

int main() {
    // Ten groups of eight runs whose answers turn from text to image at a relative uncertainty of 0.25.
    std::vector<double> x, y;
    std::vector<std::size_t> groups;
    for (std::size_t group = 0; group < 10; ++group) {
        for (int i = 0; i < 8; ++i) {
            x.push_back(-1.75 + 0.5 * i + 0.01 * static_cast<double>(group));
            const bool noisy = group == 3 && i == 3;
            y.push_back((x.back() < 0.25) != noisy ? 1.0 : 0.0);
            groups.push_back(group);
        }
    }
    const auto point = modalconflict::balance_point(x, y, groups);
    std::printf("core: balance point %.2f [%.2f, %.2f], %s\n", point.estimate, point.low, point.high,
                std::string(modalconflict::to_string(point.status)).c_str());
    return point.estimate > -0.25 && point.estimate < 0.5 ? 0 : 1;
}
