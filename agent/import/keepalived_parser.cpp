#include "agent/import/keepalived_parser.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <utility>

namespace fairlead::importing {
namespace {

constexpr int kMostFiles = 100;
constexpr std::size_t kDeepest = 10;
constexpr std::size_t kMostStatements = 20'000;
constexpr std::size_t kLongestWord = 4096;

bool isNameCharacter(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

class Parser {
  public:
    explicit Parser(const Includes& includes) : includes_(includes) { open_.push_back(&result_.statements); }

    void file(const SourceFile& source) {
        if (++files_ > kMostFiles) return error({.file = source.name, .line = 1}, "too many included files");
        int number = 0;
        std::size_t begin = 0;
        while (begin < source.text.size()) {
            ++number;
            std::string line = nextLine(source.text, begin);
            const Origin origin{.file = source.name, .line = number};
            while (line.ends_with('\\') && begin < source.text.size()) {
                line.pop_back();
                line += nextLine(source.text, begin);
                ++number;
            }
            this->line(line, origin);
            if (full_) return;
        }
        if (files_ == 1 && open_.size() > 1)
            error({.file = source.name, .line = number}, "a block is not closed: a } is missing");
    }

    KeepalivedFile take() { return std::move(result_); }

  private:
    static std::string nextLine(const std::string& text, std::size_t& begin) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string line = text.substr(begin, end - begin);
        if (line.ends_with('\r')) line.pop_back();
        begin = end + 1;
        return line;
    }

    void error(const Origin& origin, const std::string& text) {
        if (result_.errors.size() < 20) result_.errors.push_back(origin.text() + ": " + text);
    }

    void line(const std::string& text, const Origin& origin) {
        if (definition(text)) return;
        std::vector<std::string> words;
        std::size_t at = 0;
        while (auto word = next(text, at, origin)) {
            if (word->structure && word->text == "{") {
                openBlock(words, origin);
            } else if (word->structure) {
                finish(words, origin);
                closeBlock(origin);
            } else {
                words.push_back(std::move(word->text));
            }
        }
        finish(words, origin);
    }

    struct Word {
        std::string text;
        bool structure = false;  ///< a brace that isn't quoted
    };

    std::optional<Word> next(const std::string& text, std::size_t& at, const Origin& origin) {
        while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0)
            ++at;
        if (at >= text.size() || text[at] == '#' || text[at] == '!') return std::nullopt;
        if (text[at] == '{' || text[at] == '}')
            return Word{.text = std::string(1, text[at++]), .structure = true};
        std::string word;
        while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) == 0) {
            if (text[at] == '"') {
                const std::size_t end = text.find('"', at + 1);
                if (end == std::string::npos) {
                    error(origin, "a quote is not closed");
                    at = text.size();
                    break;
                }
                word += inserted(text.substr(at + 1, end - at - 1));
                at = end + 1;
            } else if (text[at] == '$') {
                word += variable(text, at);
            } else if (text[at] == '}' || (text[at] == '{' && !word.empty())) {
                break;  // as in advert_int 1}
            } else {
                word += text[at++];
            }
        }
        if (word.size() > kLongestWord) word.resize(kLongestWord);
        return Word{.text = std::move(word)};
    }

    /// $NAME=VALUE, at the beginning of a line.
    bool definition(const std::string& text) {
        const std::size_t begin = text.find_first_not_of(" \t");
        if (begin == std::string::npos || text[begin] != '$') return false;
        std::size_t end = begin + 1;
        while (end < text.size() && isNameCharacter(text[end]))
            ++end;
        if (end == begin + 1 || end >= text.size() || text[end] != '=') return false;
        std::string value = inserted(text.substr(end + 1));
        value.erase(value.find_last_not_of(" \t") + 1);
        if (value.size() <= kLongestWord) definitions_[text.substr(begin + 1, end - begin - 1)] = value;
        return true;
    }

    /// What stands at text[at], a '$'; `at` is moved behind it.
    std::string variable(const std::string& text, std::size_t& at) {
        const std::size_t begin = at++;
        const bool braces = at < text.size() && text[at] == '{';
        if (braces) ++at;
        const std::size_t name = at;
        while (at < text.size() && isNameCharacter(text[at]))
            ++at;
        const std::string key = text.substr(name, at - name);
        if (braces && at < text.size() && text[at] == '}') ++at;
        const auto found = definitions_.find(key);
        // A shell's own, in a script.
        return found == definitions_.end() ? text.substr(begin, at - begin) : found->second;
    }

    std::string inserted(const std::string& text) {
        std::string result;
        for (std::size_t at = 0; at < text.size() && result.size() <= kLongestWord;) {
            if (text[at] == '$') {
                result += variable(text, at);
            } else {
                result += text[at++];
            }
        }
        return result;
    }

    void openBlock(std::vector<std::string>& words, const Origin& origin) {
        Statement* owner = nullptr;
        if (!words.empty()) {
            owner = add(words, origin);
        } else if (!open_.back()->empty() && open_.back()->back().block.empty()) {
            owner = &open_.back()->back();
        }
        words.clear();
        if (open_.size() >= kDeepest) {
            error(origin, "blocks are nested too deeply");
            full_ = true;
        } else if (!owner) {
            error(origin, "a { without a word before it");
            full_ = true;
        } else {
            open_.push_back(&owner->block);
        }
    }

    void closeBlock(const Origin& origin) {
        if (open_.size() > 1) {
            open_.pop_back();
        } else {
            error(origin, "a } without its {");
        }
    }

    Statement* add(std::vector<std::string>& words, const Origin& origin) {
        if (++count_ > kMostStatements) {
            error(origin, "too many statements");
            full_ = true;
        }
        open_.back()->push_back({.words = std::move(words), .origin = origin, .block = {}});
        words.clear();
        return &open_.back()->back();
    }

    void finish(std::vector<std::string>& words, const Origin& origin) {
        if (words.empty()) return;
        if (words.front().starts_with('@')) {
            result_.notCarried.push_back(
                {.origin = origin,
                 .directive = joined(words),
                 .reason = "holds on one of several hosts only, which can't be decided here"});
            words.clear();
        } else if (words.front().starts_with("include") && words.size() > 1) {
            const std::string pattern = words[1];
            words.clear();
            const std::vector<SourceFile> found = includes_(pattern, origin.file);
            if (found.empty()) error(origin, "include " + pattern + ": no such file");
            for (const SourceFile& each : found)
                file(each);
        } else {
            add(words, origin);
        }
    }

    const Includes& includes_;
    KeepalivedFile result_;
    std::vector<std::vector<Statement>*> open_;
    std::map<std::string, std::string> definitions_;
    std::size_t count_ = 0;
    int files_ = 0;
    bool full_ = false;
};

}  // namespace

KeepalivedFile parseKeepalived(const SourceFile& file, const Includes& includes) {
    Parser parser(includes);
    parser.file(file);
    return parser.take();
}

}  // namespace fairlead::importing
