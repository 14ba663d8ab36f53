// Jenkinsfile, by epitaph {{version}}
pipeline {
    agent any // a Linux machine with curl
    environment {
        {{settings}}
        EPITAPH_OUT = 'epitaph-out' // the folder that is archived below
        EPITAPH_DESTINATION = 'epitaph-out' // where it lies in the workspace, for links to the cores
    }
    stages {
        stage('test') {
            steps {
                sh '''
                    set -e
                    mkdir -p .epitaph
                    curl -fsSL --retry 3 -o .epitaph/epitaph "$EPITAPH_DOWNLOAD_URL"
                    echo "$EPITAPH_SHA256  .epitaph/epitaph" | sha256sum -c -
                    chmod +x .epitaph/epitaph
                '''
                // Lets crashes of this command leave cores, keeps them, and gives the command's own status.
                sh '''
                    .epitaph/epitaph run -- {{command}}
                '''
            }
        }
    }
    post {
        failure { // also for crashes of other commands, where they allow cores
            sh '.epitaph/epitaph collect'
        }
        cleanup { // after `failure`, which `always` is not
            junit allowEmptyResults: true, testResults: 'epitaph-out/junit/*.xml'
            archiveArtifacts allowEmptyArchive: true, artifacts: 'epitaph-out/**'
        }
    }
}
